import { en } from "../en";
import type { LanguageFile } from "../language";

export default { said: "en", words: en } satisfies LanguageFile;
