import { client, methods, ndJsonStream, PROTOCOL_VERSION, type ClientContext } from "@agentclientprotocol/sdk";
import { Writable } from "node:stream";
import { z } from "zod";
import type { Entry, Usage } from "../../transcripts/entry.ts";
import type { AgentReader, Reading } from "../account.ts";
import type { SessionOrder } from "../backend.ts";
import { goOn } from "../common.ts";
import type { Verdict } from "../verdict.ts";
import { askedCall, isAllowed } from "./permissions.ts";
import { AcpUpdates } from "./updates.ts";

const opened = z.object({ sessionId: z.string() });

/** A session of the agent as it is to be opened. */
export interface AcpOpening {
  order: SessionOrder;
  /** The agent's own name of the session, where an earlier process had one. */
  known: string | null;
  /** Told the agent's own name of the session. */
  remember: (session: string) => void;
  /** For the agent alone: what this protocol has no words for. */
  meta: Readonly<Record<string, unknown>>;
}

/** Leads the conversation with an agent: what that writes is read from its file, and answered on its standard input. */
export class AcpConversation implements AgentReader {
  readonly #updates: AcpUpdates;
  readonly #opening: AcpOpening;
  readonly #received = new TransformStream<Uint8Array, Uint8Array>();
  readonly #writer = this.#received.writable.getWriter();
  #problem: Verdict | null = null;

  constructor(opening: AcpOpening) {
    this.#opening = opening;
    this.#updates = new AcpUpdates(opening.order.tools, opening.order.price);
  }

  /** Speaks on the agent's standard input, until it says that it is done. */
  speak(input: Writable): void {
    const { tools } = this.#opening.order;
    const stream = ndJsonStream(Writable.toWeb(input) as WritableStream<Uint8Array>, this.#received.readable);
    client({ name: "rigor" })
      .onRequest(methods.client.session.requestPermission, ({ params }) => {
        const wanted = isAllowed(askedCall.parse(params.toolCall), tools) ? "allow_once" : "reject_once";
        const option = params.options.find(({ kind }) => kind === wanted);
        if (option === undefined) return { outcome: { outcome: "cancelled" } };
        return { outcome: { outcome: "selected", optionId: option.optionId } };
      })
      .connectWith(stream, async (agent) => await this.#converse(agent))
      .catch((error: unknown) => {
        // An agent that has gone reads no more: how it went tells its process.
        const isGone = error instanceof Error && "code" in error && typeof error.code === "string";
        if (isGone || this.verdict() !== null) return;
        const evidence = error instanceof Error ? error.message : String(error);
        this.#problem = { outcome: "failed", evidence };
      });
  }

  async #converse(agent: ClientContext): Promise<void> {
    await agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientInfo: { name: "rigor", version: "1" },
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    });
    const { order, known, remember } = this.#opening;
    const place = { cwd: order.workspace, mcpServers: servers(order), _meta: { ...this.#opening.meta } };
    if (known !== null) await agent.request(methods.agent.session.resume, { ...place, sessionId: known });
    const sessionId = known ?? opened.parse(await agent.request(methods.agent.session.new, place)).sessionId;
    remember(sessionId);
    if (order.model !== null) {
      const model = { sessionId, configId: "model", value: order.model };
      await agent.request(methods.agent.session.setConfigOption, model);
    }
    const text = known === null ? order.brief : goOn;
    await agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: "text", text }] });
  }

  read(line: string): Reading {
    // How the stream ends is seen where it is read.
    this.#writer.write(new TextEncoder().encode(`${line}\n`)).catch(() => undefined);
    return this.#updates.read(line);
  }

  held(isOver: boolean): Entry[] {
    return this.#updates.held(isOver);
  }

  used(): Omit<Usage, "seconds"> {
    return this.#updates.used();
  }

  verdict(): Verdict | null {
    return this.#updates.verdict();
  }

  problem(): Verdict | null {
    return this.#problem;
  }
}

function servers({ tools }: SessionOrder) {
  return Object.entries({ lab: tools.lab, ...tools.servers }).map(([name, { url, token }]) => ({
    type: "http" as const,
    name,
    url,
    headers: [{ name: "Authorization", value: `Bearer ${token}` }],
  }));
}
