// What the page begins with.

export const QUERIES = [
  "How do I keep bread fresh?",
  "火山为什么会喷发？",
  "Warum ist der Himmel blau?",
];

export const DOCUMENTS = [
  "Bread stays fresh in a paper bag at room temperature; a refrigerator dries it out.",
  "岩浆比周围的岩石轻，所以上升；其中的气体使火山喷发。",
  "Der Himmel ist blau, weil die Moleküle der Luft blaues Licht stärker streuen als rotes.",
  "El pan se conserva fresco en el congelador, cortado en rebanadas.",
  "The bakery on Bread Street is open from seven to six, except on Mondays.",
];
