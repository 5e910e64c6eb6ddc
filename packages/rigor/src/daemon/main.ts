import { enableCompileCache } from "node:module";

// Compiling the modules is half of a start: only what is imported after this comes from the cache.
enableCompileCache();
await import("./process.ts");
