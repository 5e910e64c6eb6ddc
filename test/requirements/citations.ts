import ts from "typescript";

/** An id of the field failures (`F12`), or one with an area and a name (`store.second-daemon`). */
const id = /\[(F\d\d|[a-z]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*)\]/g;

/** Functions whose first argument is a title. */
const titled = new Set(["test", "testUnless", "it", "describe", "suite"]);

/** The ids in square brackets in the titles of tests and groups, in order. */
export function citations(source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && titled.has(calledName(node.expression))) {
      const title = node.arguments[0];
      if (title !== undefined && isText(title))
        found.push(...[...title.getText().matchAll(id)].flatMap((match) => match[1] ?? []));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("source.ts", source, ts.ScriptTarget.Latest, true));
  return found;
}

function isText(node: ts.Expression): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || ts.isBinaryExpression(node);
}

/** `test` of `test(...)`, `test.only(...)`, `test.each(rows)(...)`, `test.each<T>(rows)(...)`. */
function calledName(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return expression.text;
  if (ts.isPropertyAccessExpression(expression) || ts.isCallExpression(expression))
    return calledName(expression.expression);
  if (ts.isTaggedTemplateExpression(expression)) return calledName(expression.tag);
  return "";
}
