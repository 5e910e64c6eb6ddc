import { createServer, request as requestHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Address, parseAddress } from "./policy.ts";

/** Hands every connection of a listening socket on to one address. */
export function forward(server: Server, target: Address): void {
  serve(server, (socket) => join(socket, connectTo(target)));
}

/** Makes a listening socket an HTTP proxy that reaches the allowed addresses and no others. */
export function serveProxy(server: Server, allowed: readonly Address[], refuse: (address: Address) => void): void {
  const isAllowed = (address: Address) => {
    const found = allowed.some(({ host, port }) => host === address.host && port === address.port);
    if (!found) refuse(address);
    return found;
  };
  const proxy = createServer((request, response) => passOn(request, response, isAllowed));
  proxy.on("connect", (request, socket, head) => tunnel(request, socket, head, isAllowed));
  serve(server, (socket) => proxy.emit("connection", socket));
}

function serve(server: Server, take: (socket: Socket) => void): void {
  // One side may have said all while the other still answers.
  Object.assign(server, { allowHalfOpen: true });
  server.on("connection", take);
}

/** `CONNECT host:port`: what an encrypted connection asks for. */
function tunnel(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  isAllowed: (address: Address) => boolean,
): void {
  // A client that does not wait for the end of an answer must not end the sandbox.
  socket.on("error", () => socket.destroy());
  const address = readAddress(request.url ?? "");
  if (address === null) return void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  if (!isAllowed(address)) return void socket.end(`HTTP/1.1 403 Forbidden\r\n\r\n${refusalWords(address)}`);
  const target = connectTo(address);
  const failed = () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  target.once("error", failed);
  socket.once("close", () => target.destroy());
  target.once("connect", () => {
    target.off("error", failed);
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    target.write(head);
    join(socket, target);
  });
}

/** `GET http://host/path`: what an unencrypted request asks of a proxy. */
function passOn(request: IncomingMessage, response: ServerResponse, isAllowed: (address: Address) => boolean): void {
  const url = URL.parse(request.url ?? "");
  const address =
    url?.protocol === "http:" ? readAddress(`${url.hostname}:${url.port === "" ? "80" : url.port}`) : null;
  if (url === null || address === null) return void response.writeHead(400).end();
  if (!isAllowed(address)) return void response.writeHead(403).end(refusalWords(address));
  const { method, headers } = request;
  const onward = requestHttp(url, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.once("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  request.pipe(onward);
}

function readAddress(text: string): Address | null {
  try {
    return parseAddress(text);
  } catch {
    return null;
  }
}

function refusalWords({ host, port }: Address): string {
  return `The sandbox of this session does not allow ${host}:${port}.\n`;
}

function connectTo({ host, port }: Address): Socket {
  return connect({ host, port, allowHalfOpen: true });
}

function join(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on("error", () => from.destroy());
    from.on("close", () => to.destroy());
  }
}
