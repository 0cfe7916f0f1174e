// The campaign that a page is about, chosen once for all pages.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { CampaignView } from "../api/types";
import { useLoaded } from "../ui/loading";

export const campaign = signal("");

export function CampaignChoice(): JSX.Element {
  const { data } = useLoaded<{ campaigns: CampaignView[] }>("/v1/campaigns");
  useEffect(() => {
    const names = data?.campaigns.map((one) => one.name) ?? [];
    if (data && !names.includes(campaign.peek())) campaign.value = names[0] ?? "";
  }, [data]);
  return (
    <label>
      Campaign
      <select id="campaign" value={campaign.value} onChange={(event) => (campaign.value = event.currentTarget.value)}>
        {data?.campaigns.map((one) => (
          <option key={one.name} value={one.name}>
            {one.title || one.name}
          </option>
        ))}
      </select>
    </label>
  );
}
