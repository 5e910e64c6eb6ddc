import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeJob, quoted, type Connection, type ExecutorPlace } from "./executor.testing.ts";

/** What must hold while a machine cannot be reached. */
export function silenceTests(place: ExecutorPlace, connection: Connection): void {
  test("of a machine that does not answer nothing is concluded; its jobs go on, and none starts twice [F10] [F11]", async () => {
    const [count, go] = [join(place.folder, "count"), join(place.folder, "go")];
    const going = await place.submit(
      `echo ran >>'${quoted(count)}'; until [ -e '${quoted(go)}' ]; do sleep 0.1; done; echo done`,
    );
    const endless = await place.submit(["sleep", "200"]);
    for (const handle of [going, endless]) await place.until(handle, "running");
    const later = makeJob(place.folder, `echo ran >>'${quoted(count)}'`);
    const silence = { code: "unreachable" };
    await connection.cut();
    try {
      await expect(place.executor.status([going, endless])).rejects.toMatchObject(silence);
      await expect(place.executor.submit([later])).rejects.toMatchObject(silence);
      await expect(place.executor.cancel([endless])).rejects.toMatchObject(silence);
      await expect(place.executor.withdraw(endless)).rejects.toMatchObject(silence);
      writeFileSync(go, "");
      await place.untilExists(place.directoryOf(going).exit);
    } finally {
      await connection.restore();
    }
    expect((await place.until(going, "ended")).exit.code).toBe(0);
    expect((await place.outputOf(going)).text).toBe("done\n");
    await place.until(endless, "running");
    const [handle] = await place.executor.submit([later]);
    if (handle === undefined) throw new Error("no handle");
    await place.until(handle, "ended");
    expect(readFileSync(count, "utf8")).toBe("ran\nran\n");
    await place.executor.cancel([endless]);
    expect(await place.settled(endless)).toMatchObject(place.cancelled());
  });
}
