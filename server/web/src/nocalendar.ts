/// In the place of `date-fns/locale`: Aksel's strings name a calendar's month and day words for its date picker, which no
/// page uses (the browser's own fields take dates), and they would travel to every sign-in. A page that uses Aksel's
/// picker all the same stops with "dateLocale not found" when it is first shown: then take this alias away.
export const nb = undefined;
export const nn = undefined;
export const enGB = undefined;
export const enUS = undefined;
