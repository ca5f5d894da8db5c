/// A language is one file in `languages/`, named by its code and by what it calls itself: `nn.Nynorsk.ts`. It is fetched
/// by whoever reads it, so a tenth one costs nobody anything. The words of the rooms beside the list and the patient's
/// page (`rooms.nb.ts`) come apart from the others, with the first such room.
///
/// Bokmål and English are complete: a string that is missing there fails the build (`Words`). Another language may grow
/// string by string; what it lacks is shown in Bokmål with `[nb]` behind it, so that it is seen and still understood. Only
/// whoever reads such a one fetches Bokmål beside it.
/// Numbers and dates are Norwegian in all of them (`format.ts`), and what the server says comes in two languages only:
/// `said` chooses which.
import type { Words } from "./nb";
import type { RoomWords } from "./rooms.nb";

type Growing<T> = T extends string | ((...given: never[]) => unknown) ? T : { [K in keyof T]?: Growing<T[K]> };

interface Complete {
  said: "nb" | "en";
  complete: true;
  words: Words;
  rooms: () => Promise<RoomWords>;
}

interface Grows {
  said: "nb" | "en";
  complete: false;
  words: Growing<Words>;
  rooms: () => Promise<Growing<RoomWords>>;
}

export type LanguageFile = Complete | Grows;

/// What a page speaks.
export interface Speech {
  language: string;
  said: "nb" | "en";
  words: Words;
  /// Fetches what only the rooms beside the list and the patient's page say.
  rooms: () => Promise<RoomWords>;
}

/// What is spoken unless somebody chose otherwise.
export const OURS = "nb";

const files = import.meta.glob<{ default: LanguageFile }>("./languages/*.ts");

const parts = (path: string): string[] => path.slice(path.lastIndexOf("/") + 1).split(".");

/// Code and own name of each language there is, Bokmål first.
export const LANGUAGES: readonly { code: string; name: string }[] = Object.keys(files)
  .map((path) => ({ code: parts(path)[0] ?? "", name: parts(path)[1] ?? "" }))
  .sort((a, b) => Number(b.code === OURS) - Number(a.code === OURS) || a.name.localeCompare(b.name, "nb"));

/// Fetches a language; rejects when it cannot be had.
export async function speech(language: string): Promise<Speech> {
  const path = Object.keys(files).find((one) => parts(one)[0] === language);
  const load = path === undefined ? undefined : files[path];
  if (!load) throw new Error(`there is no language ${language} in i18n/languages`);
  const file = (await load()).default;
  if (file.complete) return { language, said: file.said, words: file.words, rooms: file.rooms };
  const ours = await speech(OURS);
  return {
    language,
    said: file.said,
    words: complete<Words>(file.words, ours.words),
    rooms: async () => {
      const [own, whole] = await Promise.all([file.rooms(), ours.rooms()]);
      return complete<RoomWords>(own, whole);
    },
  };
}

/// `growing` with what it lacks from `whole`, marked. A list (the days of the week) is one thing, there or lacking.
export function complete<T>(growing: Growing<T> | undefined, whole: T): T {
  if (growing === undefined) return marked(whole);
  if (typeof whole !== "object" || whole === null || Array.isArray(whole)) return growing as T;
  const given = growing as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(whole).map(([key, value]) => [key, complete(given[key] as Growing<unknown>, value)]),
  ) as T;
}

function marked<T>(value: T): T {
  if (typeof value === "string") return `${value} [nb]` as T;
  if (typeof value === "function") return ((...given: unknown[]) => marked(value(...given))) as T;
  if (Array.isArray(value)) return value.map(marked) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, marked(one)])) as T;
}
