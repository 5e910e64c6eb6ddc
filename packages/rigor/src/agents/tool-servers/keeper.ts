import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import type { Dial } from "../../hosts/dial.ts";
import { receiveArtifact } from "./artifacts.ts";

/** Milliseconds for an answer that needs no work of the tool server. */
const patienceMs = 15_000;
/** Milliseconds for one artifact to come. */
const transferMs = 30 * 60_000;

/** What the keeper of a tool server says where it runs: by which names it may be reached, and on which port. */
export const announcement = z.object({ addresses: z.array(z.string()).min(1), port: z.int(), host: z.string() });
export type Announcement = z.output<typeof announcement>;

const artifactList = z.array(z.object({ path: z.string(), size: z.number(), changed: z.string() }));

interface Address {
  address: string;
  port: number;
}

interface Message {
  method: string;
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: Buffer;
}

/**
 * The program that stands before a tool server on the machine where its job runs (`templates/tool-server.py`), as it is
 * reached from here. Each question has a connection of its own, so that a lost one holds up no other.
 */
export class Keeper {
  readonly #dial: Dial;
  readonly #address: string;
  readonly #port: number;
  readonly #token: string;
  readonly #mostBytes: number;
  /** Artifact -> what it was like when it was last brought here. */
  readonly #brought = new Map<string, string>();
  #bringing: Promise<void> = Promise.resolve();

  private constructor(dial: Dial, { address, port }: Address, token: string, mostBytes: number) {
    this.#dial = dial;
    this.#address = address;
    this.#port = port;
    this.#token = token;
    this.#mostBytes = mostBytes;
  }

  /**
   * Finds the keeper under one of the names that it gave. Whoever answers has to prove that it knows the token, and is not
   * told it before.
   *
   * @param mostBytes that artifacts may take: more are not brought
   * @throws Error that says why no name led to it
   */
  static async find(dial: Dial, { addresses, port }: Announcement, token: string, mostBytes: number): Promise<Keeper> {
    const tried = addresses.map(async (address) => {
      const keeper = new Keeper(dial, { address, port }, token, mostBytes);
      await keeper.#prove();
      return keeper;
    });
    try {
      return await Promise.any(tried);
    } catch (error) {
      const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
      throw first instanceof Error ? first : new Error(String(first));
    }
  }

  async #prove(): Promise<void> {
    const nonce = randomBytes(24).toString("hex");
    const answer = await this.#ask(
      { method: "GET", path: `/.rigor/identity?${nonce}` },
      AbortSignal.timeout(patienceMs),
    );
    const said = Buffer.from(await text(answer));
    const right = Buffer.from(createHmac("sha256", this.#token).update(`rigor tool server ${nonce}`).digest("hex"));
    if (said.length === right.length && timingSafeEqual(said, right)) return;
    throw new Error(
      `what answers on port ${this.#port} of ${this.#address} is not the tool server of this investigation`,
    );
  }

  /** Tells it that it is still wanted. @throws Error where it does not answer */
  async stayAlive(): Promise<void> {
    await text(await this.#authorized("/.rigor/alive"));
  }

  /** Hands on a question of the agent. @throws Error where no answer begins */
  forward(message: Message, signal: AbortSignal): Promise<IncomingMessage> {
    const authorization = `Bearer ${this.#token}`;
    return this.#ask({ ...message, headers: { ...message.headers, authorization } }, signal);
  }

  /**
   * Brings what is new among the artifacts to a folder of this machine.
   *
   * @throws Error where not all came
   */
  bringArtifacts(folder: string): Promise<void> {
    const work = this.#bringing.then(() => this.#bringNew(folder));
    this.#bringing = work.catch(() => undefined);
    return work;
  }

  async #bringNew(folder: string): Promise<void> {
    const listed = artifactList.parse(JSON.parse(await text(await this.#authorized("/.rigor/artifacts"))));
    const bytes = listed.reduce((all, { size }) => all + size, 0);
    if (bytes > this.#mostBytes) throw new Error(`they take ${bytes} bytes, and may take ${this.#mostBytes}`);
    for (const { path, size, changed } of listed) {
      const state = `${size} ${changed}`;
      if (this.#brought.get(path) === state) continue;
      const name = path.split("/").map(encodeURIComponent).join("/");
      const answer = await this.#authorized(`/.rigor/artifacts/${name}`, transferMs);
      await receiveArtifact(answer, folder, path);
      if (!answer.complete) throw new Error(`${path} did not come as a whole`);
      this.#brought.set(path, state);
    }
  }

  async #authorized(path: string, limitMs = patienceMs): Promise<IncomingMessage> {
    const answer = await this.forward({ method: "GET", path }, AbortSignal.timeout(limitMs));
    if (answer.statusCode === 200) return answer;
    answer.resume();
    throw new Error(`${path} was answered with ${answer.statusCode}`);
  }

  #ask({ method, path, headers = {}, body }: Message, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const asked = request({
        createConnection: () => this.#dial(this.#address, this.#port),
        ...{ method, path, signal },
        headers: { ...headers, host: "tool-server", connection: "close", "content-length": body?.length ?? 0 },
      });
      asked.once("response", resolve);
      asked.once("error", reject);
      asked.end(body);
    });
  }
}

const ofConnection = new Set(
  "authorization connection content-length expect host keep-alive te transfer-encoding upgrade".split(" "),
);

/** Headers that belong to the message, and not to the connection that it came on. */
export const headersOfMessage = (headers: IncomingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.has(name)));
