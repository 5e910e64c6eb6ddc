/** Rules of result tables. docs/guide.md tells users about them. */

/** Level of the intervals in a table. */
export const tableLevel = 0.95;

/**
 * A cell counts as tied with the best of its column unless a paired t test over the seeds that they share gives a p
 * value below this. It is not corrected for the number of cells: a mark for the eye, not a decision.
 */
export const tieAlpha = 0.05;
