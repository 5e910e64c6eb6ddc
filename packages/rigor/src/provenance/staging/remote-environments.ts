import { describeMachine, buildPlan, builtEnvironment } from "../environment-build.ts";
import { environmentSource } from "../environment-identity.ts";
import { environmentName, type BuiltEnvironment } from "../environment-record.ts";
import type { Machine } from "../machines/machine.ts";
import { RemoteBuilds, type BuildRequest } from "./remote-builds.ts";
import type { WorkDirectory } from "./work-directory.ts";

/**
 * The environment of a commit on a host, built once per key, by a process there that needs no connection.
 *
 * @throws RigorError `environment` with the last lines of the build and the path of its log
 */
export async function ensureRemoteEnvironment(
  directory: WorkDirectory,
  machine: Machine,
  request: Omit<BuildRequest, "source" | "plan">,
): Promise<BuiltEnvironment> {
  const { repository, commit, environment } = request;
  const source = await environmentSource(repository, commit, environment, machine);
  if (source.manager === "none") return describeMachine(environment, source.key, machine);
  const plan = buildPlan(source, directory.path("environments", environmentName(source)));
  const record = await new RemoteBuilds(directory, machine, { ...request, source, plan }).record();
  return builtEnvironment(environment, { key: source.key, plan, record }, machine);
}
