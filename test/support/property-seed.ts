/** Where `RIGOR_PROPERTY_SEED` is set, properties are tried with the values that it gives; else with others each time. */
import fc from "fast-check";

const seed = Number(process.env["RIGOR_PROPERTY_SEED"]);
if (!Number.isInteger(seed)) throw new Error("RIGOR_PROPERTY_SEED is no whole number.");
fc.configureGlobal({ seed });
