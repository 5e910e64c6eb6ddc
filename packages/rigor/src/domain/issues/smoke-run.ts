/** What the smoke run of an issue is called, after its experiment. */
export const smokeRunName = (experiment: string, issue: number): string => `${experiment}-smoke-${issue}`;

/** Whether an experiment of this name is no more than a smoke run. */
export const isSmokeRun = (name: string): boolean => /-smoke-\d+$/.test(name);
