import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a server on this machine that can be cut, as a network is. */
export class CuttableProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isSilent = false;
  #isRefusing = false;
  readonly url: string;

  /** @param url of the server, whose way is to be cut */
  static async open(url: string): Promise<CuttableProxy> {
    const target = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy got no port");
    const own = new URL(url);
    own.hostname = "127.0.0.1";
    own.port = `${address.port}`;
    return new CuttableProxy(server, own.href, { host: target.hostname, port: Number(target.port) });
  }

  private constructor(server: Server, url: string, target: { host: string; port: number }) {
    this.#server = server;
    this.url = url;
    server.on("connection", (client) => this.#join(client, target));
  }

  #join(client: Socket, target: { host: string; port: number }): void {
    if (this.#isRefusing) return void client.destroy();
    const server = connect(target);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      if (this.#isSilent) from.pause();
      from.on("error", () => undefined);
      from.once("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** Nothing passes any more, and nobody is told. What was sent meanwhile passes when it speaks again. */
  silence(): void {
    this.#isSilent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Ends all connections, and refuses new ones. */
  refuse(): void {
    this.#isRefusing = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isRefusing = false;
    this.#isSilent = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
