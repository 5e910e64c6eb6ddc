import { bytes, dollars, duration, integer, number, plural, withUncertainty } from "../../domain/format/numbers.ts";
import { gridText, parameterText, shortId } from "../../domain/format/words.ts";

/** Times and lists as people read them on a terminal; what exports show too is said in the domain. */

export { bytes, dollars, duration, gridText, integer, number, parameterText, plural, shortId, withUncertainty };

/** Runs per second as `3.2/s`, `12/min`, `4/h`. */
export function rate(perSecond: number): string {
  if (perSecond >= 1) return `${perSecond >= 9.95 ? integer(perSecond) : Number(perSecond.toFixed(1))}/s`;
  if (perSecond * 60 >= 1) return `${Number((perSecond * 60).toFixed(perSecond * 60 >= 9.95 ? 0 : 1))}/min`;
  return `${Number((perSecond * 3600).toFixed(1))}/h`;
}

/** How long ago a time was: `3 min ago`, `2 h ago`. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds < 60) return seconds < 2 ? "now" : `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A time to the second, in UTC: `2026-07-28 12:00:05 UTC`. */
export function moment(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** `0-9` for long runs of seeds, else each one. */
export function seedsText(seeds: readonly number[]): string {
  const first = seeds[0];
  const last = seeds.at(-1);
  if (first === undefined || last === undefined) return "none";
  const consecutive = seeds.every((seed, index) => seed === first + index);
  return consecutive && seeds.length > 6 ? `${first} to ${last}` : seeds.join(", ");
}
