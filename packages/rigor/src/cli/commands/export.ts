import { extname, resolve } from "node:path";
import type { Context } from "../context.ts";
import { bytes } from "../output/format.ts";
import type { Invocation } from "../invocation.ts";
import { saveText } from "../output/save.ts";

const formats = { ".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".tex": "latex" } as const;
type Format = (typeof formats)[keyof typeof formats];

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const output = invocation.text("output");
  const format = chosenFormat(invocation.text("format"), output);
  if (format === null) throw invocation.usageError(`The name ${output} tells no format: add --format.`);
  const { client } = await context.lab();
  const exported = await client.experiments.export({ reference: invocation.required(0), format });
  if (output === undefined) {
    await context.write(context.json ? `${JSON.stringify(exported, null, 2)}\n` : exported.text);
    return 0;
  }
  const file = resolve(output);
  await saveText(file, exported.text, invocation.flag("force"));
  const written = { format, file, bytes: Buffer.byteLength(exported.text) };
  await context.answer(written, (answer) => [`Wrote ${answer.file} (${bytes(answer.bytes)}).`]);
  return 0;
}

/** By the option, else by the name of the output, else CSV; null for a name that means something else. */
export function chosenFormat(option: string | undefined, output: string | undefined): Format | null {
  const known = Object.values(formats).find((format) => format === option);
  if (known !== undefined) return known;
  const extension = extname(output ?? "").toLowerCase();
  if (Object.hasOwn(formats, extension)) return formats[extension as keyof typeof formats];
  return extension === "" ? "csv" : null;
}
