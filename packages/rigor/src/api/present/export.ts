export async function exportResults(): Promise<string> { throw new Error("being written"); }
