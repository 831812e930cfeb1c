export function writeTfjsPackage(..._: unknown[]): void { throw new Error("pending"); }
