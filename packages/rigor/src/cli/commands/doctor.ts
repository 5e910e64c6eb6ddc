import { dataDirectory } from "../../api/contract/data-directory.ts";
import type { DoctorCheck } from "../../api/contract/views/daemon.ts";
import type { Context } from "../context.ts";
import { daemonLogPath } from "../daemon/daemon-file.ts";
import { describeFailure } from "../output/failure.ts";
import { doctorLines } from "../views/status.ts";

export async function execute(context: Context): Promise<number> {
  const answer = await examine(context);
  await context.answer(answer, ({ checks }) => doctorLines(checks, context.terminal.style));
  return answer.checks.some(({ ok, required }) => required && !ok) ? 1 : 0;
}

/** A daemon that does not start is a finding like any other. */
async function examine(context: Context): Promise<{ checks: DoctorCheck[] }> {
  try {
    const { client } = await context.lab();
    return await client.system.doctor();
  } catch (error) {
    const { message, next } = describeFailure(error, { logFile: daemonLogPath(dataDirectory(context.environment)) });
    return { checks: [{ name: "daemon", ok: false, required: true, found: message, remedy: next }] };
  }
}
