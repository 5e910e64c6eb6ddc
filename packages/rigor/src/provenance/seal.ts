/** A file beside a checkout that lists its files and links, and is newer than all of them: what is newer still was written afterwards. */
export const sealOf = (directory: string): string => `${directory}.sealed`;

/**
 * Functions of a POSIX shell that end at the first error, about files and links; folders are none. A run asks the same of its
 * checkout when it ends, without a process for that: `check_code` of `job.sh`.
 *
 * - `seal CHECKOUT FILE` writes the seal of a checkout that nobody uses yet. A name of several lines is left out. What is newer
 *   than the seal all the same was written before the clock stepped back, and gets the time of the seal.
 * - `unchanged CHECKOUT` fails where somebody changed code in it; only who may write there, as root may everywhere, can have.
 *   What was added is no change of the code. A change by a clock that stands before the seal is not seen.
 */
export const sealFunctions = `
newline='
'
seal() {
  (cd "$1" && find . ! -type d ! -path "*$newline*") >"$2"
  find "$1" -newer "$2" -exec touch -h -r "$2" {} +
}
unchanged() {
  if [ ! -w "$1" ]; then return 0; fi
  if [ ! -e "$1.sealed" ]; then return 1; fi
  (
    cd "$1"
    ! find . ! -type d -newer "$1.sealed" | grep -Fxqf "$1.sealed" && ! find . ! -type d | grep -Fxvqf - "$1.sealed"
  )
}
`;
