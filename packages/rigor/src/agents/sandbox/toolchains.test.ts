import { expect, test } from "vitest";
import { toolchains } from "./toolchains.ts";

test("programs of a PATH are readable with what lies beside them, and never the home directory", () => {
  const path =
    "/home/ada/.pyenv/shims:/home/ada/miniconda3/bin:/home/ada/bin:/home/ada/.local/bin:/opt/cuda/bin:/bin:/home/ada:/home:/:.:";
  expect(toolchains(path, "/home/ada")).toEqual([
    "/home/ada/.pyenv",
    "/home/ada/miniconda3",
    "/home/ada/bin",
    "/home/ada/.local/bin",
    "/opt/cuda",
    "/bin",
  ]);
});
