"""Words of other languages than English, for generated speech: the standard library's docstrings are English.

Training says words in random order, since only their sounds count; what is measured on are sentences.
"""

import numpy as np

VOICES_OF: dict[str, tuple[str, ...]] = {
    "German": ("de",), "French": ("fr",), "Spanish": ("es", "es-419"), "Italian": ("it",), "Japanese": ("ja",), "Mandarin": ("cmn",),
}  # fmt: skip
"""espeak-ng's voices of each language."""
LANGUAGE_OF: dict[str, str] = {voice: language for language, voices in VOICES_OF.items() for voice in voices}
UNSPELT = frozenset({"Japanese", "Mandarin"})
"""Languages whose voices have no sounds for Latin letters."""
_UNSPACED = frozenset({"Mandarin"})

_WORDS: dict[str, str] = {
    "German": """
        aber abend alle allein als alt arbeit arm auch auf augen bald baum beginnen bei besser bild bitte bleiben blume brauchen breit brief
        bruder buch dann denken dorf draußen durch dürfen eigentlich einfach empfehlen entscheiden erklären erzählen essen fahren familie farbe
        fenster feuer finden fliegen frage frau freude freund früh fühlen fünf garten geben gehen gemüse genug geschichte gestern gesund glauben
        glück groß größer haben halb hand haus heute himmel hoffen hören hübsch immer jahr jetzt jung kalt kaufen kind klein kommen können kopf
        küche kurz lachen lampe lang laufen leben leicht lesen leute liebe machen manchmal mehr mensch milch mittag möchten möglich morgen müde
        mutter nacht name natürlich neben nehmen neu nicht nur oben öffnen papier pferd pflanze platz plötzlich probe regen reise richtig rufen
        sagen schaffen schiff schlafen schnell schön schreiben schule schwer sehen sommer sonne spielen sprache sprechen stadt stark stehen straße
        stück suchen süß tisch tochter tragen traum trinken tür über überall uhr unten vater verstehen viel vielleicht vogel wahr wald warm warten
        wasser weg weil weit welt wenig wetter wichtig wind winter wirklich wissen woche wohnen wünschen zahl zeigen zeit ziehen zimmer zukunft
        zusammen zwanzig zwischen zwölf
    """,
    "French": """
        abord acheter agréable ainsi ajouter ami amour an ancien animal année août appeler apporter apprendre après arbre argent arriver assez
        attendre aujourd'hui aussi autour autre avant avec avoir bateau battre beau beaucoup besoin bien bientôt blanc bleu boire bois bon bonheur
        bouche bras bruit campagne chaise chambre chanson chanter chaque chaud chemin cher chercher cheval cheveux chien choisir chose ciel cinq
        clair coeur combien commencer comprendre compter connaître corps côté coucher couleur courir cuisine dame danser début demain demander
        dernier descendre deux devenir devoir difficile dimanche dire doigt donner dormir doux droit eau école écouter écrire encore enfant
        ensemble entendre entrer espérer essayer été étoile facile faim faire famille femme fenêtre fête feu feuille fille fin fleur forêt frère
        froid fruit garçon gauche gens grand guerre habiter heure heureux hier histoire hiver homme huit idée image jamais jambe jardin jaune
        jeune jouer jour journée lait langue laver leçon léger légume lentement lettre lieu lire livre loin long lourd lumière lune main
        maintenant maison manger marcher matin meilleur même mer mère merci mettre midi mieux moment monde montagne montrer mot musique neige neuf
        noir nom nouveau nuage nuit oeil oiseau ombre orange oublier ouvrir pain papier parce parler partir passer pauvre payer peine pendant
        penser perdre père petit peu peur phrase pierre place plage pluie plus pomme pont porter poser pouvoir premier prendre près printemps
        propre puis quatre quelque question quitter raison recevoir regarder rêve rire rivière robe rouge route rue sable saison savoir semaine
        sentir seul silence soeur soir soleil sortir souvent suivre table temps tenir terre tête tomber toujours tout travail traverser trois
        trouver un vent verre vers vert ville vivre voilà voir voiture voix vouloir voyage vrai yeux
    """,
    "Spanish": """
        abajo abrir abuela acabar aceite agua ahora aire alegre algo alguien alto amarillo amigo amor ancho andar animal año aprender árbol arriba
        ayer ayudar azul bailar bajo barco bastante beber bien blanco boca bonito bosque brazo bueno buscar caballo cabeza cada caer calle calor
        cama cambiar camino campo cansado cantar cara carne carta casa casi cerca cerrar chico cielo cinco ciudad claro cocina comer cómo comprar
        conocer contar contento corazón correr corto cosa creer cuando cuatro cuerpo dar debajo decir dedo dejar delante derecho desde despacio
        después día difícil dinero doce dolor domingo dónde dormir dulce durante edad ejemplo empezar encontrar enero enfermo enseñar entender
        entonces escribir escuchar escuela esperar estrella fácil familia feliz fiesta flor frente frío fruta fuego fuerte fuerza gato gente
        gracias grande guardar guerra guitarra gustar haber hablar hacer hambre hermano hermoso hijo historia hombre hora hoy huevo idea igual
        invierno isla izquierda jardín joven jueves jugar juntos lado largo lavar leche leer lejos lengua lento levantar libro limpio llamar llave
        llegar llevar llover lluvia luego lugar luna luz madera madre mañana mano mar mejor menos mesa miedo mientras mirar mismo mitad momento
        montaña morir mucho mujer mundo música nacer nada naranja negro niño noche nombre norte nuevo número nunca ocho ojo olvidar otoño padre
        pagar país pájaro palabra pan papel parar parte pasar pequeño perder perro pescado piedra pierna plata playa pobre poco poder poner porque
        preguntar primero pronto pueblo puerta querer quizás rápido reír reloj río rojo ropa saber sabor salir sangre seis semana señor sentir
        siempre siete silla sol solo sombra sonido subir sueño suerte tarde temprano tener terminar tiempo tierra todo tomar trabajar traer
        tranquilo tres triste último único vaca valle vaso vecino vender venir ventana ver verano verdad verde vestido viaje vida viejo viento
        vivir volver voz zapato
    """,
    "Italian": """
        abbastanza abitare acqua adesso aiutare albero alcuni allegro allora alto amare amico ancora andare anima anno aperto aprire aria arrivare
        ascoltare aspettare avere bagno ballare bambino basso bello bene bere bianco bicchiere bisogno bocca bosco bottiglia braccio breve bravo
        brutto buono cadere caffè caldo cambiare camera camminare campagna cane cantare capelli capire carta casa cercare certo chiamare chiaro
        chiave chiedere chiesa chiudere cielo cinque città colore cominciare comprare conoscere contento correre corto cosa credere cucina cuore
        dare davanti dentro dieci difficile dimenticare dire diventare domanda domani donna dopo dormire dove dovere due erba esempio estate
        facile fame famiglia fare felice ferro festa fiore fiume foglia fondo forse forte foto freddo fratello fresco frutta fuoco fuori gamba
        gatto gente giallo giardino giocare giorno giovane giro giusto grande grazie guardare ieri imparare insegnare insieme inverno isola lago
        lasciare latte lavorare leggere legno lento lettera letto libro lingua lontano luce luglio luna lungo luogo madre maggio mai mangiare mano
        mare mattina meglio memoria meno mercato mese mettere mezzo migliore minuto mondo montagna morbido morire mostrare muovere musica nascere
        naso nave nebbia nero nessuno neve niente nipote noi nome notte nove numero nuovo nuvola occhio oggi ogni ombra ora orecchio otto padre
        paese pagare pane parlare parola parte partire passare paura pensare perché perdere persona pesce piacere piano piazza piccolo piede
        pietra pioggia poco poi ponte porta portare posto potere pranzo prato prendere presto prima profumo pronto proprio quando quasi quattro
        ragazza ricco ricordare ridere rimanere riso rispondere rosso sabato sale salire sangue sapere scegliere scendere scrivere scuola secondo
        sedia segno sei sempre sentire sera sette silenzio sogno sole solo sonno sopra sorella sorriso sotto speranza spesso spiaggia stagione
        stanco stare stella storia strada stretto subito succo tavolo tempo tenere terra testa tornare tranquillo treno trovare tutto uccello
        ultimo uomo uovo usare uscire vecchio vedere vendere venire vento verde vero vestito viaggio vicino vino vita vivere voce volere volta zio
        zucchero
    """,
    "Japanese": """
        あう あおい あかい あかるい あき あける あさ あし あした あそぶ あたま あたらしい あつい あつまる あに あね あめ あらう あるく いえ いく
        いけ いそぐ いちばん いつも いぬ いま いもうと いろ うえ うごく うしろ うた うち うつくしい うま うみ うれしい えいが えき えらぶ おいしい
        おおきい おかあさん おきる おく おくる おしえる おちる おとうさん おとこ おどる おなじ おはよう おぼえる おもい おもう およぐ おわる
        おんがく おんな かいしゃ かう かえる かお かく かさ かぜ かぞく かばん かみ からだ かるい かわ かんがえる がっこう きいろ きく きせつ きた
        きって きのう きもち きょう きれい くうき くすり くち くつ くに くび くも くらい くるま くろい けさ けしき げんき こえ こおり ここ
        こたえる ことば こども ごはん こんばん さかな さく さくら さむい さんぽ しお しごと しずか した しつもん しまう しめる しゃしん じてんしゃ
        じぶん じゅうしょ しろい しんぶん すこし すずしい すわる せかい せまい せんせい そうじ そと そら たかい たすける たてもの たのしい たのむ
        たべもの たべる たまご だれ ちいさい ちかい ちから ちず ちゃわん つかう つかれる つき つくえ つくる つめたい つよい てがみ てつだう
        でんしゃ でんわ とおい とけい ところ としょかん とぶ とまる ともだち とり ながい なか なく なつ なまえ ならう にく にし にほん にもつ にわ
        ねこ ねむい のぼる のみもの のむ はいる はこ はし はしる はじめる はたらく はな はなし はは はやい はる はれ はん ばんごう ひがし ひかり
        ひくい ひこうき ひだり ひと ひま びょういん ひるま ひろい ふく ふね ふゆ ふるい ぶんか へや へん べんきょう べんり ぼうし ほし ほしい
        ほそい ほん まいにち まえ まがる まち まつ まど まもる まるい みえる みぎ みじかい みず みせ みち みどり みなみ みみ みんな むかし
        むずかしい むら めがね めずらしい もつ もらう もり もん やおや やさい やさしい やすい やすみ やま やわらかい ゆうがた ゆうびん ゆき
        ゆっくり ゆびわ よい よこ よぶ よむ よる よろこぶ よわい らいねん りっぱ りゅうがく りょうり りょこう りんご れいぞうこ れきし れんしゅう
        ろうか わかい わかる わすれる わたし わらう
    """,
    "Mandarin": """
        爱 安静 爸爸 白天 百 办法 帮忙 包子 报纸 杯子 北方 本来 比较 必须 变化 表示 别人 冰箱 不但 不同 部分 才能 菜单 参加 草地 层 茶 长城 常常
        唱歌 超市 车站 成绩 城市 吃饭 出现 厨房 穿 船 窗户 春天 词典 次 聪明 从前 打电话 大家 带来 当然 到底 地方 地图 弟弟 点心 电影 冬天 动物
        读书 短 对面 多少 饿 儿子 而且 发现 法国 方便 房间 飞机 非常 分钟 风景 夫妻 服务 父母 附近 复习 干净 感冒 刚才 高兴 告诉 哥哥 个子 公园
        工作 狗 姑娘 故事 关系 贵 国家 过去 还是 孩子 汉语 好吃 河水 黑板 红色 后来 忽然 湖边 护照 花园 画 坏 欢迎 环境 黄色 回答 会议 火车 或者
        机场 鸡蛋 记得 季节 家庭 检查 简单 见面 健康 讲话 教室 接受 街道 节日 结束 姐姐 今天 进步 经常 久 旧 举行 句子 决定 咖啡 开始 看见 考试
        可爱 渴 刻 客人 空气 口袋 哭 快乐 困难 来自 蓝天 老师 离开 礼物 历史 脸色 练习 凉快 两边 邻居 留学 楼上 路口 旅游 绿色 妈妈 马上 满意 慢
        忙 毛病 帽子 没有 每天 美丽 门口 米饭 面包 明白 名字 拿 奶奶 南方 难过 年轻 鸟 您好 牛奶 努力 女儿 爬山 盘子 旁边 胖 跑步 朋友 啤酒 便宜
        票 漂亮 苹果 瓶子 起床 其实 骑 奇怪 千 铅笔 清楚 晴天 请问 秋天 取 去年 全部 裙子 然后 让 热情 人们 认识 容易 如果 三月 伞 商店 上午 少
        身体 生日 声音 时候 世界 试 事情 收到 手表 书包 叔叔 树林 数学 刷牙 水果 睡觉 说话 司机 送 虽然 太阳 糖 讨论 特别 疼 踢足球 提高 体育 天气
        甜 条件 跳舞 听说 同学 头发 突然 图书馆 腿 完成 晚上 碗 万 忘记 为什么 位置 文化 问题 屋子 西瓜 希望 习惯 洗澡 夏天 先生 现在 相信 香蕉
        向前 小心 校长 笑 新闻 信任 星期 行李 兴趣 熊猫 休息 需要 选择 学习 雪花 颜色 眼睛 羊肉 要求 爷爷 也许 夜里 一起 医生 衣服 已经 以后 椅子
        意思 因为 阴天 音乐 银行 应该 影响 用 游泳 有名 右边 鱼 愉快 雨伞 语言 遇到 元 远处 愿意 月亮 云彩 运动 再见 早上 怎么 站 张开 照片 真正
        正在 知道 中间 种类 重要 周末 主要 住 祝 准备 桌子 自己 总是 走路 最近 昨天 左边 作业
    """,
}
SENTENCES: dict[str, tuple[str, ...]] = {
    "German": (
        "Am Abend sitzen wir oft am Fenster und sprechen über den Tag.",
        "Könnten Sie mir bitte sagen, wo der Bahnhof ist?",
        "Meine Mutter backt jeden Sonntag einen Apfelkuchen.",
        "Wir haben lange gewartet, aber niemand ist gekommen.",
        "Das Problem war viel größer, als wir gedacht hatten.",
        "Im Sommer fahren die Kinder mit dem Boot über den See.",
        "Er hat mir versprochen, morgen früh pünktlich zu sein.",
        "Zwischen den Bäumen stand ein kleines, altes Haus.",
    ),
    "French": (
        "Le matin, je bois un bol de café et je lis le journal.",
        "Pouvez-vous me dire où se trouve la bibliothèque ?",
        "Ma grand-mère habite une petite maison près de la mer.",
        "Nous avons beaucoup parlé, mais personne n'a compris.",
        "Il fait trop froid pour se promener au bord du lac.",
        "Les enfants jouent au ballon devant la vieille église.",
        "Demain, nous partirons de bonne heure pour la montagne.",
        "Elle m'a promis de venir avec son frère et sa soeur.",
    ),
    "Spanish": (
        "Por la mañana bebo un café y abro todas las ventanas.",
        "¿Puede usted decirme dónde está la estación, por favor?",
        "Mi abuela prepara una sopa muy buena los domingos.",
        "Hemos hablado mucho, pero nadie ha entendido nada.",
        "El problema es bastante más grande de lo que parecía.",
        "Los niños juegan con la pelota delante de la iglesia.",
        "Mañana vamos a subir a la montaña si no llueve.",
        "Me prometió que vendría temprano con su hermano.",
    ),
    "Italian": (
        "La mattina bevo un caffè e guardo dalla finestra.",
        "Mi può dire dove si trova la stazione, per favore?",
        "Mia nonna prepara sempre una torta di mele molto buona.",
        "Abbiamo parlato a lungo, ma nessuno ha capito niente.",
        "Il problema è molto più grande di quanto sembrava.",
        "I bambini giocano a palla davanti alla vecchia chiesa.",
        "Domani partiamo presto per andare in montagna.",
        "Mi ha promesso di venire con suo fratello sabato sera.",
    ),
    "Japanese": (
        "まいあさ、はやくおきて、いぬとこうえんをさんぽします。",
        "すみません、えきはどこにありますか。",
        "ははは、にちようびにおいしいケーキをつくります。",
        "ずっとまちましたが、だれもきませんでした。",
        "なつやすみに、ともだちとうみでおよぎました。",
        "このもんだいは、おもったよりむずかしいです。",
        "きのうのばん、あたらしいえいがをみました。",
        "やまのむこうに、ちいさなむらがみえます。",
    ),
    "Mandarin": (
        "早上我喝一杯咖啡，然后去公园跑步。",
        "请问，火车站在什么地方？",
        "妈妈每个星期天都做很好吃的饭。",
        "我们等了很久，但是没有人来。",
        "这个问题比我们想的大得多。",
        "夏天的时候，孩子们在湖边玩。",
        "他说明天早上一定会来帮忙。",
        "山那边有一个很漂亮的小村子。",
    ),
}
"""Held out: what each language is measured on."""


def random_words(language: str, rng: np.random.Generator) -> str:
    """Three to twelve words of a language in random order, with a comma now and then and an end."""
    pool = _WORDS[language].split()
    words = [str(word) for word in rng.choice(pool, int(rng.integers(3, 13)))]
    commas = rng.random(len(words) - 1) < 0.12
    parts = [word + ("," if comma else "") for word, comma in zip(words, commas, strict=False)]
    return ("" if language in _UNSPACED else " ").join([*parts, words[-1]]) + str(rng.choice([".", ".", "?"]))
