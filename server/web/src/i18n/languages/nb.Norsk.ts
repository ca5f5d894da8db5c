import type { LanguageFile } from "../language";
import { nb } from "../nb";

export default { said: "nb", words: nb } satisfies LanguageFile;
