import { writeFileSync } from "node:fs";
import { experimentFilePage } from "../packages/rigor/src/domain/files/reference-page.ts";

// Writes the pages of docs/ that come from the code. A test checks that they are current.
writeFileSync(new URL("../docs/experiment-file.md", import.meta.url), experimentFilePage());
