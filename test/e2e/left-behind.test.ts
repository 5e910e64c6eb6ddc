import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { experiment, until, UserLab } from "./lab.ts";

const lab = new UserLab();
afterAll(() => lab.close());

test("a process that a run leaves in a session of its own ends after it; another lab's daemon stays [job.left-behind]", async () => {
  const nested = join(lab.directory, "nested");
  lab.init();
  lab.write({
    "leaves.yaml": experiment({
      name: "leaves",
      arms: { one: {} },
      seeds: [1],
      run: [
        "sh",
        "-c",
        `setsid sleep 1000 & echo $! >"$RIGOR_OUTPUT/pid"; RIGOR_HOME="$1" "$2" "$3" up; echo '{"metrics": {"loss": 1}}' >"$RIGOR_OUTPUT/result.json"`,
        "sh",
        nested,
        process.execPath,
        lab.launcher,
      ],
    }),
  });
  const answer = await lab.rigor("run", "leaves.yaml");
  expect(answer.status, answer.text).toBe(0);
  const [run] = await lab.runs("leaves");
  const { attempt_list: attempts } = await lab.json<{ attempt_list: { directory: string }[] }>("show", run?.id ?? "");
  const left = Number(readFileSync(join(attempts[0]?.directory ?? "", "output/pid"), "utf8"));
  await until("the process to end", () => !isAlive(left));
  await expect
    .poll(() => readFileSync(join(lab.home, "daemon.log"), "utf8"))
    .toContain(`"pid":${left},"msg":"ended a process`);
  const status = await lab.call(["status"], { environment: { RIGOR_HOME: nested } });
  expect(status.status, status.text).toBe(0);
  expect(readFileSync(join(nested, "daemon.log"), "utf8").match(/"ready"/g)).toHaveLength(1);
  await lab.call(["down"], { environment: { RIGOR_HOME: nested } });
});
