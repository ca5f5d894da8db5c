/// The dialogs of deeds, for the pages that show alarms.
import { later } from "../later";

export const DeedDialog = later(async () => (await import("./dialogs")).DeedDialog);
