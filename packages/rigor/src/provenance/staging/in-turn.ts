const last = new Map<string, Promise<unknown>>();

/**
 * Runs what this process does to one thing one after the other, in the order of the calls. Each caller does its own work,
 * so that what ends one does not end another.
 */
export async function inTurn<T>(thing: string, work: () => Promise<T>): Promise<T> {
  const before = last.get(thing);
  const mine = (before ?? Promise.resolve()).then(work, work);
  last.set(thing, mine);
  try {
    return await mine;
  } finally {
    if (last.get(thing) === mine) last.delete(thing);
  }
}
