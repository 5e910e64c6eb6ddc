import { describe, expect, test } from "vitest";
import { LocalShell } from "../../hosts/local-shell.ts";
import { SshShell } from "../../hosts/ssh-shell.ts";
import { scratchDirectory } from "../scratch-repository.testing.ts";
import { HostMachine } from "./host-machine.ts";
import { machineSuite } from "./machine.suite.ts";
import { thisMachine } from "./this-machine.ts";

describe("this machine", () => {
  machineSuite(() => ({ machine: thisMachine, directory: scratchDirectory() }));
});

describe("a host that is asked through a shell", () => {
  machineSuite(() => ({ machine: new HostMachine(new LocalShell()), directory: scratchDirectory() }));

  test("no answer is no absence [F11]", async () => {
    const machine = new HostMachine(new SshShell({ host: "rigor-no-such-host.invalid", config: "/dev/null" }));
    await expect(machine.printed("python3", ["--version"])).rejects.toMatchObject({ code: "unreachable" });
    await expect(machine.existing(["/"])).rejects.toMatchObject({ code: "unreachable" });
  });
});
