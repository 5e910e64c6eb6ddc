import { readFile } from "node:fs/promises";
import { z } from "zod";
import { isMissing } from "../../hosts/system-errors.ts";

/** Addresses of one session that are told; a session that asks for more is looking for a hole. */
const mostAddresses = 20;

const line = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue("not JSON");
      return z.NEVER;
    }
  })
  .pipe(z.object({ host: z.string(), port: z.number() }));

/** What the sandbox of a session refused, as part of its record: each address once. */
export async function refusedConnections(file: string): Promise<{ tool: string; why: string }[]> {
  const counts = new Map<string, number>();
  for (const text of (await readOrEmpty(file)).split("\n")) {
    const { data } = line.safeParse(text);
    if (data === undefined) continue;
    const address = `${data.host}:${data.port}`;
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  const told = [...counts].slice(0, mostAddresses).map(([address, count]) => ({
    tool: "the network",
    why: `The sandbox does not allow ${address}${count === 1 ? "" : `, asked for ${count} times`}.`,
  }));
  const more = counts.size - told.length;
  return more > 0 ? [...told, { tool: "the network", why: `The sandbox refused ${more} more addresses.` }] : told;
}

async function readOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}
