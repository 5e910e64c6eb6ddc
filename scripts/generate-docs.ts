import { writeFileSync } from "node:fs";
import { generatedPages } from "./docs.ts";

// Writes what comes from the code: pages of docs/, parts of ARCHITECTURE.md, and the helper without types.
for (const [path, content] of Object.entries(generatedPages())) {
  writeFileSync(new URL(`../${path}`, import.meta.url), content);
}
