import type { PbsCluster } from "../clusters/pbs.ts";
import { startSshHosts } from "../clusters/ssh.ts";

/** A login node of a PBS, on which the programs of a folder go before the cluster's own. Stopping it ends both. */
export async function pbsBehindLogin(
  cluster: PbsCluster,
  folder: string,
): Promise<{ via: { ssh: string; ssh_config: string }; stop: () => Promise<void> }> {
  const environment = { PATH: `${folder}:${cluster.environment()["PATH"]}` };
  const hosts = await startSshHosts({ login: { shared: [cluster.directory], environment } });
  const stop = async () => {
    await hosts.stop();
    await cluster.stop();
  };
  return { via: { ssh: "login", ssh_config: hosts.config }, stop };
}
