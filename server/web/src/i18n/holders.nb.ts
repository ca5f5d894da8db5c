/// Words of whose a device is, and who had it when.
export const holders = {
  nobodys: "Ikke tildelt",
  notKnown: "Hvem apparatene er tildelt, er ikke hentet ennå.",
  give: "Tildel …",
  takeBack: "Ta tilbake …",
  forDevice: (device: string) => ` ${device}`,
  history: "Hvem har hatt den",
  historyOf: (device: string) => `Hvem har hatt ${device}`,
  since: (t: string) => `fra ${t}`,
  span: (from: string, to: string) => `${from} til ${to}`,
  never: "Ingen har hatt den.",
  byFile: "fra kommunefilen",
  given: (who: string) => `tildelt av ${who}`,
  ended: (who: string) => `tatt tilbake av ${who}`,
  giveTitle: (device: string) => `Tildel ${device}`,
  takeBackTitle: (device: string, name: string) => `Ta ${device} tilbake fra ${name}`,
  choose: "Velg pasient",
  who: "Hvem skal ha den?",
  slot: "Bruker nr. på apparatet",
  slotWhat: "Bare når apparatet har flere brukere.",
  when: "Fra når?",
  now: "Nå",
  earlier: "Et tidligere tidspunkt",
  at: "Dato og klokkeslett",
  why: "Hvorfor?",
  whyWhat: "Lagres i loggen over hvem som gjorde hva.",
  next: "Se hva som følger",
  wrong: {
    patient: "Velg hvem som skal ha den.",
    at: "Skriv et tidspunkt som har vært.",
    why: "Skriv hvorfor, med minst tre tegn.",
    slot: "Skriv et tall fra 0 til 254.",
  },
  sureGive: (device: string, name: string, t: string) =>
    `Det ${device} måler fra ${t}, blir ${name} sine målinger.`,
  sureTakeBack: (device: string, name: string, t: string) =>
    `Det ${device} måler fra ${t}, er ikke lenger ${name} sine målinger. Det legges i karantene til apparatet er tildelt noen.`,
  stays: (n: number, name: string) =>
    n === 1
      ? `1 måling etter dette er alt lagret på ${name} og blir stående der. Var den en annens, merk den som ugyldig på pasientens side.`
      : `${n} målinger etter dette er alt lagret på ${name} og blir stående der. Var de en annens, merk dem som ugyldige på pasientens side.`,
  staysNone: "Ingen målinger etter dette er lagret ennå.",
  aside: (n: number) =>
    n === 1
      ? "1 melding fra tiden uten pasient ligger i karantene og flyttes ikke."
      : `${n} meldinger fra tiden uten pasient ligger i karantene og flyttes ikke.`,
  giveDo: "Tildel",
  takeBackDo: "Ta tilbake",
  done: { give: (device: string) => `${device} er tildelt.`, takeBack: (device: string) => `${device} er tatt tilbake.` },
  search: "Søk etter boks, sted, apparat eller pasient",
  trouble: "Bare det som trenger tilsyn",
  shown: (n: number, of: number) => `Viser ${n} av ${of}`,
  more: "Vis flere",
};
