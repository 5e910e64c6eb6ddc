import { writeFileSync } from "node:fs";
import { generatedPages } from "./docs.ts";

// Writes the pages of docs/ and the parts of ARCHITECTURE.md that come from the code.
for (const [path, content] of Object.entries(generatedPages())) {
  writeFileSync(new URL(`../${path}`, import.meta.url), content);
}
