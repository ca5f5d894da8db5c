import { en } from "../en";
import type { LanguageFile } from "../language";

export default { said: "en", words: en, rooms: async () => (await import("../rooms.en")).rooms } satisfies LanguageFile;
