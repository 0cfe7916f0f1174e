"""What a site can prove of a campaign, in one archive."""
