import { connect } from "node:net";
import type { Duplex } from "node:stream";

/** Opens a connection to a port as one machine reaches it. What goes wrong is an error of the connection. */
export type Dial = (host: string, port: number) => Duplex;

/** From this machine. */
export const dialHere: Dial = (host, port) => connect(port, host);
