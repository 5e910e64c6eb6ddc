/** What a back end's program needs to reach its model: variables of the daemon's environment, and hosts. */
interface ModelAccess {
  /** Variables that are handed on where they are set. */
  variables: readonly string[];
  /** The variable that names another address of the model's service. */
  address: string;
  /** The service's own address. */
  usual: string;
}

const anthropic: ModelAccess = {
  variables: ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
  address: "ANTHROPIC_BASE_URL",
  usual: "https://api.anthropic.com",
};

const access: Readonly<Record<string, ModelAccess>> = {
  "claude-code": anthropic,
  acp: anthropic,
  codex: {
    variables: ["OPENAI_API_KEY", "CODEX_API_KEY"],
    address: "OPENAI_BASE_URL",
    usual: "https://api.openai.com",
  },
};

/**
 * The part of an environment that a back end needs to reach its model, and the addresses that it then asks.
 *
 * @param own what a repository says of an agent that nobody else knows
 */
export function modelAccess(
  backend: string,
  environment: Readonly<Record<string, string | undefined>>,
  own: { variables: readonly string[]; hosts: readonly string[] } = { variables: [], hosts: [] },
): { variables: Record<string, string>; hosts: string[] } {
  const found = access[backend];
  if (found === undefined) return { variables: {}, hosts: [] };
  const variables = Object.fromEntries(
    [...found.variables, found.address, ...own.variables].flatMap((name) => {
      const value = environment[name];
      return value === undefined || value === "" ? [] : [[name, value] as const];
    }),
  );
  return {
    variables,
    hosts: own.hosts.length > 0 ? [...own.hosts] : [hostOf(variables[found.address] ?? found.usual)],
  };
}

/** `host:port` of an address. */
export function hostOf(address: string): string {
  const url = new URL(address);
  const port = url.port === "" ? (url.protocol === "http:" ? "80" : "443") : url.port;
  return `${url.hostname}:${port}`;
}
