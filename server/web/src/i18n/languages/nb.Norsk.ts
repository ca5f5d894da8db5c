import type { LanguageFile } from "../language";
import { nb } from "../nb";

export default {
  said: "nb",
  complete: true,
  words: nb,
  rooms: async () => (await import("../rooms.nb")).rooms,
} satisfies LanguageFile;
