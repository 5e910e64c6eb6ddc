import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Masker, secretsOf } from "./masking.ts";

const none = new Masker([]);

/** Text as it looks inside a JSON string, escaped so many times. */
function escaped(text: string, times: number): string {
  return times === 0 ? text : escaped(JSON.stringify(text).slice(1, -1), times - 1);
}

/** JSON that writes every character by its number, which is also allowed. */
function numbered(text: string): string {
  return text.replace(/[^]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const secret = fc.string({ minLength: 6, maxLength: 40 }).filter((one) => one.trim().length >= 6);

describe("known secrets [session.masks] [F40]", () => {
  test("are found in any text, however often it was escaped as JSON", () => {
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), fc.nat(3), (value, before, after, times) => {
        const masked = new Masker([value]).text(before + escaped(value, times) + after);
        expect(masked).not.toContain(escaped(value, times));
        expect(masked).not.toContain(value);
      }),
    );
  });

  test("are found where every character is written by its number", () => {
    fc.assert(
      fc.property(secret, (value) => {
        expect(new Masker([value]).text(`"${numbered(value)}"`)).toBe('"[secret]"');
      }),
      { examples: [[String.raw`!   \u`], [String.raw`\u005c\u`], [String.raw`ends in \\`]] },
    );
  });

  test("are found in every value of JSON, and nothing of them is left", () => {
    fc.assert(
      fc.property(secret, fc.jsonValue(), (value, anything) => {
        const hidden = { list: [anything, value], [value]: { text: `x${value}y`, quoted: JSON.stringify([value]) } };
        const masked = JSON.stringify(new Masker([value]).value(hidden));
        const kept = JSON.stringify(new Masker([value]).value(anything));
        // What the value itself was is in no part that came from it.
        expect(masked.replace(kept, "")).not.toContain(JSON.stringify(value).slice(1, -1));
      }),
    );
  });

  test("that begin with one another are masked whole, in any order", () => {
    fc.assert(
      fc.property(secret, secret, fc.boolean(), (one, more, turned) => {
        const both = turned ? [one, one + more] : [one + more, one];
        expect(new Masker(both).text(one + more)).toBe("[secret]");
      }),
    );
  });

  test("leave text alone that has none of them", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(new Masker(["a-value-that-is-in-no-text"]).text(text)).toBe(none.text(text));
      }),
    );
  });

  test("are not looked for where they are too short to tell anything", () => {
    expect(new Masker(["", "on", "true"]).text("it is true that it goes on")).toBe("it is true that it goes on");
  });
});

describe("secrets that can be told by their form [session.masks] [F40]", () => {
  const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----";

  test.each([
    ["a key of Anthropic", "sk-ant-api03-aBcDeFgHiJkL_mN-oP", "aBcDeFgHiJkL"],
    ["a key of OpenAI", "sk-proj-aBcDeFgHiJkLmNoP", "aBcDeFgHiJkL"],
    ["a token of GitHub", "ghp_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789", "aBcDeFgH"],
    ["a key of AWS", "AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"],
    ["a secret of AWS", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtn"],
    ["a token of Hugging Face", "hf_aBcDeFgHiJkLmNoPqRsTuVwX", "aBcDeFgH"],
    ["a header", 'curl -H "Authorization: Bearer abc.DEF-123~456"', "DEF-123"],
    ["a password in an address", "postgres://lab:hunter2secret@db/lab", "hunter2secret"],
    ["a token of JSON", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "dozjgNryP4"],
    ["a private key", key, "MIIEow"],
    ["a private key in JSON", JSON.stringify({ key }), "MIIEow"],
    ["a private key in JSON in JSON", JSON.stringify(JSON.stringify({ key })), "IBAAK"],
    ["a private key that is cut off", key.slice(0, 40), "MIIEow"],
  ])("%s is masked", (_what, text, hidden) => {
    const masked = none.text(`before ${text}`);
    expect(masked).toMatch(/^before /);
    expect(masked).toContain("[secret]");
    expect(masked).not.toContain(hidden);
  });

  test.each([
    "The task is-risky: sk-learn 1.5, ask-ant colonies, skip.",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "https://example.org:8080/path?token=short and user@host",
    "bearer of bad news; Basic idea; AKIA is a prefix",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  ])("%s is left as it is", (text) => {
    expect(none.text(text)).toBe(text);
  });
});

describe("secrets of an environment [session.masks] [F40]", () => {
  test("are told by their names", () => {
    const environment = {
      ANTHROPIC_API_KEY: "key-of-the-user",
      WANDB_TOKEN: "token-of-the-user",
      PGPASSWORD: "password-of-the-user",
      ANTHROPIC_BASE_URL: "http://127.0.0.1:1",
      SSH_AUTH_SOCK: "/tmp/agent.sock",
      MAX_THINKING_TOKENS: "100000",
      PATH: "/usr/bin:/bin",
      API_KEY: "on",
    };
    expect(secretsOf(environment)).toEqual(["key-of-the-user", "token-of-the-user", "password-of-the-user"]);
  });
});
