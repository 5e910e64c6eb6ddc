const usual =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_HOME|XDG_RUNTIME_DIR)$/;
const ofLocale = /^(LANG|LANGUAGE|LC_[A-Z]+)$/;

/** What jobs begin with of this process's environment; the rest, secrets among it, stays here. */
export function usualEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && usual.test(name)) kept[name] = value;
  }
  return kept;
}

/** Every program that is started reads its locale's files; only the command itself needs them. */
export function splitLocale(environment: Readonly<Record<string, string>>) {
  const entries = Object.entries(environment);
  return {
    locale: Object.fromEntries(entries.filter(([name]) => ofLocale.test(name))),
    rest: Object.fromEntries(entries.filter(([name]) => !ofLocale.test(name))),
  };
}
