import { quote } from "../../hosts/quote.ts";
import { freshPath } from "./work-directory.ts";

// What is asked of a host about code. Everything is done beside its place and then named, so that what is there is whole.

/** Status of a script for a file that is committed where a link must be; its path is printed. */
export const linkIsTaken = 65;

/** The newest commits of a host that a pack is made smaller by. */
const mostCommits = 50;

/**
 * Git on a host, on its own: whatever a user's configuration there says, a commit becomes the same files. The variables
 * would point it at another repository.
 */
const gitFunction = (repository: string): string => `repository=${quote(repository)}
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
plain_git() {
  HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \\
    git --git-dir="$repository" -c gc.auto=0 -c core.bare=false -c core.fsmonitor=false -c core.hooksPath=/dev/null \\
    -c core.sparseCheckout=false -c core.autocrlf=false -c core.eol=lf "$@"
}
`;

export interface CodePlace {
  /** Of the bare repository on the host. */
  repository: { name: string; path: string };
  commit: string;
  /** Where the checkout goes. */
  checkout: { name: string; path: string };
}

/**
 * Prints the name of the checkout: with a number where somebody wrote into the one without. Then prints `checkout`, `commit`,
 * `no-git`, or `missing` and then the newest commits that are there.
 */
export const lookScript = ({ repository, commit, checkout }: CodePlace): string => `name=${quote(checkout.name)}
used checkouts "$name"
number=1
while [ -e "$root/checkouts/$name" ] && ! unchanged "$root/checkouts/$name"; do
  number=$((number + 1))
  name=${quote(checkout.name)}-$number
  used checkouts "$name"
done
echo "$name"
if [ -e "$root/checkouts/$name" ]; then
  echo checkout
  exit 0
fi
if ! command -v git >/dev/null 2>&1; then
  echo no-git
  exit 0
fi
commit=${quote(commit)}
${gitFunction(repository.path)}
used repositories ${quote(repository.name)}
if plain_git rev-parse -q --verify "refs/rigor/commits/$commit" >/dev/null 2>&1; then
  echo commit
else
  echo missing
  plain_git for-each-ref --sort=-committerdate --count=${mostCommits} --format='%(objectname)' refs/rigor/commits \\
    2>/dev/null || :
fi`;

/**
 * Takes a pack with a commit, without its history, from standard input.
 *
 * @param anew removes what was sent before
 */
export function receiveScript({ repository, commit }: CodePlace, anew: boolean): string {
  const format = commit.length === 64 ? "--object-format=sha256 " : "";
  return `commit=${quote(commit)}
${gitFunction(repository.path)}
${anew ? 'discard "$repository"' : ""}
if [ ! -d "$repository" ]; then
  partial=${freshPath(`${repository.path}.partial`)}
  mkdir -p "$root/repositories"
  git init -q --bare --template= ${format}"$partial" >/dev/null
  place "$partial" "$repository"
fi
plain_git index-pack --stdin --fix-thin >/dev/null
grep -qx "$commit" "$repository/shallow" 2>/dev/null || printf '%s\\n' "$commit" >>"$repository/shallow"
plain_git update-ref "refs/rigor/commits/$commit" "$commit"`;
}

/** Makes a read-only checkout from the repository on the host. */
export const checkoutScript = (place: CodePlace, links: Readonly<Record<string, string>>): string =>
  makeScript(
    place,
    links,
    `${gitFunction(place.repository.path)}
commit=${quote(place.commit)}
GIT_INDEX_FILE=$partial.index
export GIT_INDEX_FILE
plain_git --work-tree="$partial" read-tree "$commit"
plain_git --work-tree="$partial" checkout-index --all --force --quiet`,
  );

/** Makes a read-only checkout from an archive on standard input. */
export const unpackScript = (place: CodePlace, links: Readonly<Record<string, string>>): string =>
  makeScript(place, links, "tar -xzf -");

/** @param fill writes the files into the present directory, which is `$partial` */
const makeScript = ({ checkout }: CodePlace, links: Readonly<Record<string, string>>, fill: string): string =>
  `target=${quote(checkout.path)}
partial=${freshPath(`${checkout.path}.partial`)}
trap 'cd "$root"; discard "$partial"; rm -f "$partial.index" "$partial.sealed"' EXIT
link() {
  if [ -e "$1" ] || [ -h "$1" ]; then
    printf '%s\\n' "$1"
    exit ${linkIsTaken}
  fi
  mkdir -p "\${1%/*}"
  ln -s "$2" "$1"
}
mkdir -p "$partial"
cd "$partial"
${fill}
${Object.entries(links)
  .map(([path, target]) => `link ${quote(`./${path}`)} ${quote(target)}`)
  .join("\n")}
chmod -R a-w .
cd "$root"
seal "$partial" "$partial.sealed"
mv -f "$partial.sealed" "$target.sealed"
place "$partial" "$target"`;
