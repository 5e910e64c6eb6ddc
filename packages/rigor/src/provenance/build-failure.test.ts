import { describe, expect, test } from "vitest";
import { buildFailure } from "./build-failure.ts";

/** The code of the error of a build that wrote this and failed, and the first line that it shows. */
function judge(output: string): [code: string, shown: string | undefined] {
  const build = { step: "install", end: "exit status 1", last_lines: output.split("\n"), log: "/x.log" };
  const { code, message } = buildFailure(build);
  return [code, message.split("\n")[1]?.trim()];
}

const retrying = (left: number, name: string) =>
  `WARNING: Retrying (Retry(total=${left}, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f60d838d890>: Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/${name}/`;
const notFound = (requirement: string) =>
  `ERROR: Could not find a version that satisfies the requirement ${requirement} (from versions: none)
ERROR: No matching distribution found for ${requirement}`;

describe("a build for want of a network", () => {
  // The first of pip and of npm, curl and git as these programs wrote them; the others as their documentation and sources do.
  test.each([
    [`${retrying(1, "foo-bar")}\n${retrying(0, "foo-bar")}\n${notFound("Foo_Bar==1.0")}`, retrying(0, "foo-bar")],
    [`      ${retrying(0, "setuptools")}\n      ${notFound("setuptools>=40.8.0")}`, retrying(0, "setuptools")],
    [
      "ERROR: Could not install packages due to an OSError: HTTPSConnectionPool(host='files.example.org', port=443): Max retries exceeded with url: /x.whl (Caused by NewConnectionError('...'))",
    ],
    ["ERROR: HTTP error 503 while getting https://files.example.org/x.whl"],
    [
      "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='files.example.org', port=443): Read timed out.",
    ],
    ["npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error errno ENOTFOUND"],
    ["npm ERR! code ECONNREFUSED\nnpm ERR! FetchError: request to http://127.0.0.1:9/x.tgz failed"],
    ["npm error code E503\nnpm error 503 Service Unavailable"],
    ["Caused by: Could not connect, are you offline?\n  Caused by: Request failed after 3 retries"],
    ["├─▶ error sending request for url (https://index.example.org/simple/foo/)"],
    ["CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://conda.example.org/main/linux-64/repodata.json>"],
    ["Download error (6) Couldn't resolve host name [https://conda.example.org/noarch/repodata.json.zst]"],
    ["fatal: unable to access 'https://nowhere.invalid/x.git/': Could not resolve host: nowhere.invalid\n×"],
    [
      "  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0curl: (6) Could not resolve host: nowhere.invalid",
    ],
  ])("is a fault of the machine (%#) [environment.network] [F25]", (output, proof = output.split("\n")[0]?.trim()) => {
    expect(judge(`collecting\n${output}`)).toEqual(["network", proof]);
  });

  test.each([
    ["a package that does not exist", notFound("foo-bar==1.0")],
    ["a package that does not exist beside one that came late", `${retrying(0, "numpy")}\n${notFound("foo-bar==1.0")}`],
    ["a package that came after a retry, and does not compile", `${retrying(4, "foo")}\nERROR: Failed building wheel`],
    ["a package whose index refuses it", "npm error code E404\nnpm error 404 Not Found"],
    ["a lock that does not fit", "npm error code EUSAGE\nnpm error Missing: etimedout@1.0.0 from lock file"],
    ["a version that is not there", "npm error code ETARGET\nnpm error notarget ECONNREFUSED@2 is no version"],
    ["a package that tells of networks while it is built", "test_client: Connection refused\nerror: gcc failed"],
    ["a setup that went on without a file", "curl: (6) Could not resolve host: x\nmake: *** [all] Error 2"],
    ["a repository that is not there", "fatal: unable to access 'https://x/': The requested URL returned error: 403"],
    ["a mirror that another one stood in for", "warning  libmamba Download error (28) Timeout was reached [x]\nbad"],
  ])("is not taken for %s [environment.network] [F25]", (_, output) => {
    expect(judge(output)[0]).toBe("environment");
  });
});

test.each([
  "OSError: [Errno 122] Disk quota exceeded: '/x'",
  "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
  "npm error code ENOSPC",
])("a build for want of room is a fault of the machine: %s [environment.network] [F21]", (line) => {
  expect(judge(`collecting\n${line}\nsee the log`)).toEqual(["storage", line]);
});
