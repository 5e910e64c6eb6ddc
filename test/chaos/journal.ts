/**
 * How the script of a run begins that keeps a journal in the folder `$1`: after this, `say` writes a line to it. A lock that is
 * held as long as any process of the run lives shows two attempts of one run at one time, on whatever hosts.
 */
export const journalOpening = `place=$1
attempt=\${RIGOR_OUTPUT%/output} attempt=\${attempt##*/}
say() { printf '%s\\n' "$*" >>"$place/journal"; }
exec 9>"$place/lock-$RIGOR_RUN_ID"
flock -n 9 || say overlap "$attempt"
`;
