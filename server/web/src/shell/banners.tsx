/// What a nurse must not overlook: that time is simulated, that the link is broken, that nothing new is taken in.
import { useEffect, useRef } from "react";
import { say } from "../announce";
import type { About } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";
import { useLink } from "../live";
import { WifiSlashIcon } from "./icons";

export function Banners({ about }: { about: About }) {
  const words = useWords();
  const link = useLink();
  const wasBroken = useRef(false);
  useEffect(() => {
    if (wasBroken.current && !link.broken) say("polite", words.shell.restored);
    wasBroken.current = link.broken;
  }, [link.broken, words]);
  return (
    <>
      {about.speed !== 1 && (
        <p className="banner banner-simulated">{words.shell.simulated(format.plain(about.speed))}</p>
      )}
      <div role="alert">
        {link.broken && (
          <div className="banner banner-broken">
            <WifiSlashIcon />
            <p>
              <b>{words.shell.broken(format.clockSeconds(link.heardMs))}</b> {words.shell.brokenWhat}
            </p>
          </div>
        )}
        {link.deaf && !link.broken && (
          <div className="banner banner-broken">
            <WifiSlashIcon />
            <p>
              <b>{words.shell.deaf}</b> {words.shell.deafWhat}
            </p>
          </div>
        )}
      </div>
    </>
  );
}
