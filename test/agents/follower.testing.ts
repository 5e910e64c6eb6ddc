/** Follows a session as a daemon does, in a process of its own that can be killed: `follower.testing.ts AGENT ORDER`. */
import { readFileSync } from "node:fs";
import type { SessionOrder } from "../../packages/rigor/src/agents/backends/backend.ts";
import { agents, type AgentName } from "./agents.testing.ts";

const [name = "", path = ""] = process.argv.slice(2);
const order = JSON.parse(readFileSync(path, "utf8")) as SessionOrder;
const session = await agents[name as AgentName].backend().start({ ...order, wrap: (command) => command });
process.stdout.write(`${session.process?.pid}\n`);
await session.ended;
