/** Ids that one query asks for: below the limits of both databases. */
const idsPerQuery = 500;

/** Ids in portions that one query can ask for. */
export function* portions<Id>(ids: readonly Id[]): Generator<readonly Id[]> {
  for (let start = 0; start < ids.length; start += idsPerQuery) yield ids.slice(start, start + idsPerQuery);
}
