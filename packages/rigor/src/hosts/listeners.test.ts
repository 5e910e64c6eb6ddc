import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { holderOfPort, listeningSockets } from "./listeners.ts";

test("whose a port is says the system, not the port [investigate.identity]", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expect(holderOfPort(port, [process.pid])).toBe("ours");
  expect(holderOfPort(port, [1])).toBe("somebody-else");
  server.close();
  await once(server, "close");
  expect(holderOfPort(port, [process.pid])).toBe("nobody");
});

test("connections to a port are not listeners on it", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7001 1 0000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 7002 1 0000 20 4 30 10 -1
   2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7003 1 0 100 0 0 10 0
`;
  expect(listeningSockets(table, 8080)).toEqual(["7001", "7003"]);
  expect(listeningSockets(table, 8081)).toEqual([]);
});
