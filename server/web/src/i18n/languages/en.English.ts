import type { LanguageFile } from "../language";
import { en } from "../en";

export default {
  said: "en",
  complete: true,
  words: en,
  rooms: async () => (await import("../rooms.en")).rooms,
} satisfies LanguageFile;
