/** Where a link of a document may lead: pages, mail, places in the document. Nothing that runs, nothing on the reader's machine. */
export function isSafeAddress(url: string): boolean {
  return /^(?:https?:\/\/|mailto:|#)/i.test(url);
}
