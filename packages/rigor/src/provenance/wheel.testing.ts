import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { commitAll, scratchRepository } from "./scratch-repository.testing.ts";

/** A wheel as PEP 427 has it, made without any tool for packaging. */
export function writeWheel(path: string, content: string): void {
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    def add(name, text): wheel.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    add("tinypkg.py", sys.argv[2])
    add("tinypkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tinypkg\\nVersion: 1.0\\n")
    add("tinypkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    add("tinypkg-1.0.dist-info/RECORD", "tinypkg.py,,\\ntinypkg-1.0.dist-info/METADATA,,\\ntinypkg-1.0.dist-info/WHEEL,,\\ntinypkg-1.0.dist-info/RECORD,,\\n")
`;
  execFileSync("python3", ["-c", script, path, content]);
}

/** A repository whose environment needs a wheel that is committed beside its requirements. */
export function wheelProject(): string {
  const repository = scratchRepository({
    "py/requirements.txt": "./vendor/tinypkg-1.0-py3-none-any.whl\n",
    "py/run.py": "import tinypkg, sys; print(tinypkg.answer, sys.prefix)\n",
    "py/vendor/README": "wheels\n",
  });
  writeWheel(join(repository, "py/vendor/tinypkg-1.0-py3-none-any.whl"), "answer = 42\n");
  commitAll(repository);
  return repository;
}
