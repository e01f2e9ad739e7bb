#pragma once

#include "CoreMinimal.h"

class ULiveLinkRole : public UObject {};
class ULiveLinkBasicRole : public ULiveLinkRole {};
