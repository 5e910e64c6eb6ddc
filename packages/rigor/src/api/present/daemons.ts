import { machineOfId, memberOfId } from "../../domain/rules/compute-rules.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { computesInUse } from "../../bench/lab/computes-in-use.ts";
import type { DoctorCheck } from "../contract/views/daemon.ts";
import type { StatusView } from "../contract/views/daemon.ts";

type DaemonView = StatusView["daemons"][number];

/** The daemons that share the lab and live, each with what it drives; none where the lab is this daemon's alone. */
export async function presentDaemons({ driving: { drivers } }: Lab): Promise<DaemonView[]> {
  if (drivers === null) return [];
  const driven = Map.groupBy(
    (await drivers.roster.drivers()).filter(({ is_driven }) => is_driven),
    ({ daemon }) => daemon?.id,
  );
  return (await drivers.roster.daemons()).map(({ id, host, pid, data_directory }) => {
    const resources = (driven.get(id) ?? []).map(({ resource }) => resource);
    const named = (kind: string) =>
      resources.flatMap((one) => (one.startsWith(`${kind}:`) ? one.slice(kind.length + 1) : []));
    return {
      ...{ host, pid, data_directory },
      is_this: id === drivers.daemon,
      machines: named("compute").map((machine) => machine.replace(/@[0-9a-f]{12}$/, "")),
      experiments: named("experiment").length,
      issues: named("issue").length,
    };
  });
}

/** Whether everything that is under way is driven by somebody. */
export async function checkDaemons(lab: Lab): Promise<DoctorCheck[]> {
  const { drivers } = lab.driving;
  if (drivers === null) return [];
  const daemons = await presentDaemons(lab);
  const survey = await drivers.roster.drivers();
  const driven = new Set(survey.flatMap(({ resource, is_driven }) => (is_driven ? resource : [])));
  const idle = [...new Set((await computesInUse(lab.store.db)).map(machineOfId))].filter(
    (machine) => !driven.has(`compute:${machine}`),
  );
  const said = daemons.map(({ host, pid, machines, experiments, issues }) => {
    const what = [
      ...machines,
      ...(experiments === 0 ? [] : [`${experiments} experiments`]),
      ...(issues === 0 ? [] : [`${issues} issues`]),
    ];
    return `${host} (pid ${pid}) drives ${what.length === 0 ? "nothing" : what.join(", ")}`;
  });
  const hosts = new Map(survey.map(({ resource, daemon }) => [resource, daemon?.host]));
  const found = idle.map((machine) => {
    const host = hosts.get(`compute:${machine}`);
    return memberOfId(machine) === null ? machine : `${machine.replace(/@.*/, "")} of ${host ?? "an unknown machine"}`;
  });
  const ok = idle.length === 0;
  return [
    {
      name: "daemons",
      ok,
      required: false,
      found: ok ? said.join("; ") : `${said.join("; ")}; nobody drives ${found.join(", ")}, where runs are under way`,
      remedy: ok
        ? null
        : "Start a daemon there (`rigor up`). If a machine is lost for good, end its runs with `rigor cancel REF --lost`.",
    },
  ];
}
