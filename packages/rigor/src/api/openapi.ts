import { OpenAPIGenerator } from "@orpc/openapi";
import { ZodToJsonSchemaConverter } from "@orpc/zod/zod4";
import { contract } from "./contract/contract.ts";

const generator = new OpenAPIGenerator({ schemaConverters: [new ZodToJsonSchemaConverter()] });

/** The OpenAPI description of every route of the contract. */
export async function describeApi(version: string): Promise<object> {
  return generator.generate(contract, {
    info: { title: "Rigor", version, description: "The lab's API. Every route needs the daemon's token." },
    servers: [{ url: "/api" }],
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    security: [{ token: [] }],
  });
}
