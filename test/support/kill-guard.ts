/**
 * Every test file loads this. A test that does not know whom it means, as where a process has not yet written its number,
 * would signal its own group (0), or every process (-1): the test runner with all of its tests.
 */
const kill = process.kill.bind(process);

process.kill = (pid, signal) => {
  if (!Number.isInteger(pid) || Math.abs(pid) <= 1) throw new Error(`a test may not signal process ${pid}`);
  return kill(pid, signal);
};
